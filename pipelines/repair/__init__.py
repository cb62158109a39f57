"""Repair: differences of a run are judged again, and what is still wrong is made right (docs/repair.md, rules 13, 14).

askable    which differences it can be asked for
decision   what is to be done about a judgement (pure)
image      what stood at a key before it was repaired, and what stands there then
folder     <warehouse>/<migration>/repairs/<repair_id>/
opened     judge, deliverer and writers of a migration
judged     a run's differences, judged again, in batches
tally      the accounts
plan       what would be done
apply      does it
undo       takes it back
"""
