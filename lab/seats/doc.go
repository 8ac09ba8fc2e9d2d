// Package seats is `lab seats`: it sells a season of made-up demand on the sample's longest trains, in memory, by
// several ways of choosing the seat, and compares the seat-kilometres sold.
//
// Our allocation is the real one (seatmap.Map.Allocate). The others are: the first seat that keeps the same promises to
// passengers; the first seats, with no promise kept; random seats; selling as if all passengers could be seated anew
// for each sale; and the most that could be sold if all demand were known beforehand. Each sells to the same parties in
// the same order. The comparison is only of how well a class of a run is filled: there are no prices, no cancellations,
// and no second choice after a refusal.
//
// The package decides nothing that is sold: nothing in the product imports it. Every sale of every way is entered in a
// Book of its own. A seat sold twice, a leg sold over, or more sold than the optimum ends the run with an error. The
// same options give the same report. Run uses the goroutine it is called on and no other.
package seats
