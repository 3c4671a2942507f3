"""Sound: from the raw RTP packets of a call's legs to a finished recording. No network, no database, no clock.

Everything works on whole arrays of packets and samples; a Python loop over packets or samples is a defect here.
"""
