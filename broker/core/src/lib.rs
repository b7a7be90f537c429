//! Sessions, routing, retained messages, wills, quotas; told things, answers into an outbox.
