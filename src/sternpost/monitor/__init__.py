"""Windows against their reference: drift, alarms, and what alarms will do before they do it.

drift          a table against a reference: `sp.drift`
counting       counts of a table's columns in the cells of a reference
measuring      statistics of two vectors of counts
verdict        from statistics to a word
through        rows through a bundle, on the way to being counted
periods        current rows cut by time or value
snapshots      windows as files of a folder
watching       what a server counted: snapshots, gauges, alarms
gauges         the same as Prometheus reads it
alarm_runner   the alarms of one bundle behind a server
hook           telling somebody of an alarm
drift_report   what was found, as data
drift_page     what was found, for people
alarms         a detector over all columns, limits on broken rules, replay of history
simulation     what a detector will do before it does it
watched        what to watch, from where its reference is kept
"""
