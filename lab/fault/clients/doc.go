// Package clients is a workload full of people who use a cluster while things break: buyers who place orders and then
// pay or cancel or leave it at that, people who search, and subscribers.
//
// They behave as a good client does. Who is told ORDER_PENDING, OVERLOADED or UNAVAILABLE, or nothing at all, asks the
// next server with the same key, until it is known what became of it. Every call is noted with its times and its
// answer; what that is worth is for others to say.
//
// A Workload's methods may be called from several goroutines.
package clients
