// Package pay is `lab pay`: one run is sold at a part of what a server can sell, and meanwhile a hundred orders a
// second are paid through a bank that takes a second to open a payment. It measures what payments cost those who
// only order, how many are under way at once, and how long after the bank's word a buyer knows.
//
// Each round is measured twice on the same runs: in one half as many people place the same orders and do not pay. Only
// the payments differ. The load is open: no buyer waits for another.
package pay
