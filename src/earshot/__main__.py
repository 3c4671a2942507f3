"""`python -m earshot`."""

if __name__ == "__main__":  # and not for the sealing processes, which read this file too and speak to nobody
    from earshot.cli import main

    main()
