"""What a mapping comes to on a database: sizes from a sample through the real encoder, and what follows from them.

measure    reads the database: items counted, sampled and built, children counted; within a budget of time
roots      how many rows become items, and the source keys of a sample of them
built      a sample's items, of which sizes alone are kept
children   how many rows one parent has
measured   what all that gives: numbers, no value of a row
estimate   numbers and prices to Estimates: reads, writes, money, backfill, check. Pure
warnings   numbers to warnings. Pure
"""
