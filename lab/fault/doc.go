// Package fault is `lab fault`: it breaks one thing, or up to three at once, in a real cluster that clients use, makes
// it good again, and then compares what the clients were told with what the cluster's members and Redis have.
//
// A fault is how it is injected, how it is healed, and the proof that it really happened. Everything else is the same
// for all faults: the clients, the evidence, the checks, the report. A fault that cannot be injected says so and is not
// counted as passed. Nothing is ever faked.
//
// Play uses one cluster for one fault at a time. It is for one goroutine.
package fault
