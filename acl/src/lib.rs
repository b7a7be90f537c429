//! Who may come in, who may do what: password file, ACL file, PSK file.
