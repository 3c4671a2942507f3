"""SIP (RFC 3261) without sockets: messages, headers, transactions, dialogs and the user agent server."""
