// Package seats is `lab seats`: it sells a season of made-up demand on the sample's longest trains, in memory, by
// several ways of choosing the seat, and compares the seat-kilometres sold.
//
// Our allocation is the real one (seatmap.Map.Allocate). Beside it stand giving the first seat that keeps the same
// promises to passengers, giving the first seats and keeping none, giving random ones, selling as if everybody could be
// seated anew for each sale, and the most that could be sold by who knows all demand beforehand. Each sells to the same
// parties in the same order. What is compared is only how well a class of a run is filled: there are no prices, no
// cancellations and no second choices of who was refused.
//
// It never decides what is sold: nothing in the product imports it. Every sale of every way is entered in a Book of its
// own, and a seat sold twice, a leg sold over or more sold than the optimum ends the run with an error. The same
// options give the same report. Run uses the goroutine it is called on and no other.
package seats
