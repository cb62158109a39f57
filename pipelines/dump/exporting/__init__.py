"""Dumps of DynamoDB exports to S3, which use no read capacity.

`options` is what the call can say, `given` finds exports that are there, `asked` has tables exported and awaits that,
`usable` tells whether an export is of the table that is to be compared, and of a time when it can be.
"""
