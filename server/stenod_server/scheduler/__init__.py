"""Which job runs when, and on how many engines; the one door for every transport: `scheduler.Scheduler`.

`slots` share the engines, `dispatcher` claims jobs and starts an `executor` for each, `admission` says yes or no to a
new one, `updates` tell those who watch. May import `recognition` and what is to the right of it; never a transport.
"""
