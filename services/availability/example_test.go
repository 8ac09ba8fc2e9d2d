package availability_test

import (
	"context"
	"fmt"

	"interlock/services/availability"
	"interlock/services/rail"
)

// What is left of a run is loaded, asked for, and changed while somebody listens.
func ExampleCache() {
	ctx := context.Background()
	embedded, err := availability.StartEmbedded() // In production, a Redis.
	if err != nil {
		panic(err)
	}
	defer embedded.Close()
	client, err := availability.Connect(availability.Options{Addrs: []string{embedded.Addr}})
	if err != nil {
		panic(err)
	}
	defer client.Close()
	cache := availability.New(client)

	// A run with three calls, so three pairs of calls, and one class.
	train := rail.NewTrain("G1", "G", "Asia/Shanghai",
		[]rail.Call{{Station: "N"}, {Station: "M"}, {Station: "S"}},
		rail.NewFormation([]rail.Coach{{
			Number: "1", SeatClass: rail.Second,
			Seats: []rail.Seat{{Label: "1A"}, {Label: "1B"}},
		}}),
		&rail.Fares{Currency: "CNY"})
	date := rail.NewDate(2019, 10, 12)
	run := &rail.Run{ID: rail.NewRunID(train.Number, date), Train: train, Date: date, Status: rail.Published}
	left := func(version int64, counts ...uint16) *rail.Availability {
		return &rail.Availability{
			RunID: run.ID, TrainID: train.ID, Version: version, Status: run.Status,
			Counts: counts,
		}
	}
	if err := cache.Load(ctx, []*rail.Availability{left(1, 2, 2, 2)}); err != nil {
		panic(err)
	}

	listener, err := cache.Listen(ctx)
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	if err := listener.Follow(ctx, run.ID); err != nil {
		panic(err)
	}
	// A seat is sold from N to M: of N–M and N–S one is left.
	if err := cache.Apply(ctx, left(2, 1, 1, 2)); err != nil {
		panic(err)
	}
	change := <-listener.Changes()
	fmt.Println(change.RunID, "is at version", change.Version)

	answers, err := cache.Remaining(ctx, []rail.Ask{{Run: run, From: 0, To: 2}, {Run: run, From: 1, To: 2}})
	if err != nil {
		panic(err)
	}
	for _, answer := range answers {
		fmt.Println(answer.Known, answer.Version, answer.Counts)
	}
	// Output:
	// G1@2019-10-12 is at version 2
	// true 2 [1]
	// true 2 [2]
}
