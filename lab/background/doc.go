// Package background is a sale in the background: a few buyers who buy one run at a steady pace, and whose trips all
// cross one leg, in the middle of the train.
//
// Whatever seat they get, each order takes one seat on that leg. So whoever is shown what is left on it knows how many
// orders that is, and a journal of when buyers heard of their orders tells how old it is. It never decides whether an
// age is good.
//
// Nobody else may buy on the run, and nobody may give a seat back. A Sale's methods may be called by several
// goroutines.
package background
