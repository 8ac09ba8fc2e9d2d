// Package background is a sale in the background: a few buyers buy one run at a steady pace, and their trips all cross
// one leg, in the middle of the train.
//
// Whatever seat it gets, each order takes one seat on that leg. So the number of seats left on the leg tells how many
// orders are shown, and a journal of when buyers heard of their orders tells how old that is. The package never decides
// whether an age is good.
//
// No other client may buy on the run, and no seat may be given back. A Sale's methods may be called by several
// goroutines.
package background
