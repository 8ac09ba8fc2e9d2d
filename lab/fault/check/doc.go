// Package check holds what clients were told, what the members of a cluster have, and what Redis says, against each
// other and against the promises.
//
// Every check is a function of values alone: it asks nobody, and reads a clock only to bound its own search. So the
// same evidence is always judged the same way, and each check can be shown a history in which its promise is broken.
// Looked says at how much a check looked, so that one which found nothing to look at is not taken for one that found
// nothing wrong.
package check
