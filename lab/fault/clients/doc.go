// Package clients is the workload of a cluster while things break: buyers who place orders and then pay them, cancel
// them or leave them, searchers, and subscribers.
//
// They behave as good clients do. After ORDER_PENDING, OVERLOADED, UNAVAILABLE or no answer at all, a buyer asks the
// next server with the same key, until the outcome is known. Every call is noted with its times and its answer. Judging
// it is left to package check.
//
// A Workload's methods may be called from several goroutines.
package clients
