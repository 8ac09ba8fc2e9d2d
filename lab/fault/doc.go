// Package fault is `lab fault`: it breaks one thing, or up to three at once, in a real cluster that people are using,
// makes it good again, and then holds what everybody was told against what the cluster's members and Redis have.
//
// A fault is one small file: how it is injected, how it is healed, and the proof that it really happened. Everything
// else (the people, the evidence, the checks, the report) is the same for all of them. A fault that cannot be injected
// says so and is not counted as passed; nothing is ever faked.
//
// Play uses one cluster for one fault at a time. It is for one goroutine.
package fault
