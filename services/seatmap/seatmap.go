// Package seatmap knows which seats of one class of one run are sold on which legs, and which seat to give next.
//
// A Map is leg-major: one bitmap over the seats of the class for each leg, in the order of rail.Formation.Seats, 1 =
// sold. A seat is free for calls [i, j) when it is unsold on every leg from i to j-1, so what is free is the complement
// of the OR of those legs, and everything is done whole words at a time. Bits beyond the last seat are always 0.
//
// It is pure: it does no I/O, reads no clock, draws no random numbers and keeps nothing between calls. So the same map
// gives the same seat on every server. It never sells a seat twice on a leg and never frees one that is not sold: both
// are errors that change nothing. It knows nothing of orders, versions or locks. The caller must see to it that a map
// is the newest one.
//
// A Layout is never changed once made and may be shared by any number of goroutines. A Map belongs to one goroutine
// while it is written. Any number may read it at other times.
package seatmap
