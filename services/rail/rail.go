// Package rail holds the words and the rules of Interlock: stations, trains, runs, seats, fares, orders, and what makes
// each of them valid. Every other room speaks in these types.
//
// It imports the standard library only, does no I/O and reads no clock: whoever needs to know the time passes it in.
// Values are plain data. A *Train, a *Formation and a *Station are shared by many goroutines and never changed after
// they were made; everything else belongs to whoever made it.
package rail
