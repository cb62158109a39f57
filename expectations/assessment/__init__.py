"""The page of an assessment: what a database is asked, what DynamoDB would answer, and what that costs."""
