// Package check holds what clients were told, what the members of a cluster have, and what Redis says, against each other
// and against the promises.
//
// Every check is a function of values alone: it asks nobody and reads no clock, so that the same evidence is always judged
// the same way, and so that each can be shown a history in which its promise is broken. A check that looked at nothing is
// not passed by that: Looked says at how much it looked.
package check
