// Package check compares what clients were told, what the members of a cluster have and what Redis says, with each
// other and with the promises.
//
// Every check is a function of values alone. It asks no server, and reads a clock only to bound its own search. So the
// same evidence is always judged the same way, and each check can be shown a history in which its promise is broken.
// Looked says at how much a check looked: a check that found nothing to look at must not pass for one that found
// nothing wrong.
package check
