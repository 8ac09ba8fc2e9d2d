package seatmap_test

import (
	"fmt"

	"interlock/services/rail"
	"interlock/services/seatmap"
)

// A run of two legs has one coach with two rows, "AB CD" with an aisle between B and C. A party of two boards at the
// first call and leaves at the second; one passenger goes all the way and wishes for a window.
func ExampleMap_Allocate() {
	seats, err := rail.RowSeats("AB CD", 1, 2, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	formation := rail.NewFormation([]rail.Coach{{Number: "7", SeatClass: rail.Second, Seats: seats}})
	layout := seatmap.NewLayout(formation, rail.Second)
	m := seatmap.New(2, len(seats))

	label := func(given []int) (labels []string) {
		for _, seat := range given {
			labels = append(labels, formation.Seats(rail.Second)[seat].Seat.Label)
		}
		return labels
	}
	party, ok := m.Allocate(layout, 0, 1, []rail.Wish{{}, {}})
	fmt.Println(label(party), ok)
	one, ok := m.Allocate(layout, 0, 2, []rail.Wish{{Position: rail.Window}})
	fmt.Println(label(one), ok)
	_, ok = m.Allocate(layout, 0, 2, make([]rail.Wish, 6))
	fmt.Println(ok)
	// Output:
	// [1A 1B] true
	// [1D] true
	// false
}

// What is left is counted for every pair of calls at once.
func ExampleMap_Counts() {
	m := seatmap.New(2, 8)
	for _, sold := range []struct{ seat, from, to int }{{0, 0, 1}, {1, 0, 1}, {3, 0, 2}} {
		if err := m.Sell(sold.seat, sold.from, sold.to); err != nil {
			fmt.Println(err)
			return
		}
	}
	counts := make([]uint16, rail.Pairs(3))
	m.Counts(counts, 1, 0)
	for _, pair := range [][2]int{{0, 1}, {0, 2}, {1, 2}} {
		fmt.Printf("from call %d to call %d: %d\n", pair[0], pair[1], counts[rail.PairIndex(3, pair[0], pair[1])])
	}
	fmt.Println("the same, of one pair:", m.Remaining(0, 2))
	// Output:
	// from call 0 to call 1: 5
	// from call 0 to call 2: 5
	// from call 1 to call 2: 7
	// the same, of one pair: 5
}
