// Package schedule understands schedule expressions as EventBridge Scheduler writes them, `rate(5 minutes)`,
// `cron(0 9 ? * MON-FRI *)` and `at(2027-01-31T09:00:00)`, and says when they come due in a time zone.
//
// It owns the language, the calendar, and what a change of the clocks means. It does not own schedules as resources, nor what is done
// when one comes due: that is the delivery service's.
//
// Neighbours: delivery keeps and runs schedules; the command line tells when an expression comes due.
package schedule
