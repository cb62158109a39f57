"""What each part of a migration may do, and nothing more: GRANTs for PostgreSQL and policies for IAM.

purpose     what a role or an identity is for
ledger      the rights on the ledger's tables, by purpose
grants      a purpose's GRANTs, from the compiled mapping and the source's catalogue
policy      an IAM policy and its statements
resources   ARNs of what a migration uses
statements  a purpose's statements
permissions both, for a migration
"""
