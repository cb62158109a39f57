"""The reverse relay: what is written in DynamoDB, applied to the source (docs/protocol.md, rule 16)."""
