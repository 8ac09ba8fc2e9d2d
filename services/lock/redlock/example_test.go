package redlock_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/alicebob/miniredis/v2"

	"interlock/services/lock"
	"interlock/services/lock/redlock"
)

// Two servers want the lock of one run, over three independent Redis nodes, which run inside this process here.
func ExampleLock_Acquire() {
	var nodes []string
	for range 3 {
		node, err := miniredis.Run()
		if err != nil {
			fmt.Println(err)
			return
		}
		defer node.Close()
		nodes = append(nodes, node.Addr())
	}
	ctx := context.Background()
	one, err := redlock.New(redlock.Options{Nodes: nodes})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer one.Close()
	other, err := redlock.New(redlock.Options{Nodes: nodes})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer other.Close()

	lease, err := one.Acquire(ctx, "T12@2019-10-12")
	fmt.Println("one server has it:", err == nil)

	_, err = other.Acquire(ctx, "T12@2019-10-12")
	fmt.Println("the other is told so:", errors.Is(err, lock.ErrTaken))

	fmt.Println("it may be kept for longer:", lease.Extend(ctx) == nil)
	lease.Release()

	// Release returns once a majority has answered. The last node may take a moment longer.
	for err = lock.ErrTaken; errors.Is(err, lock.ErrTaken); {
		lease, err = other.Acquire(ctx, "T12@2019-10-12")
	}
	fmt.Println("then the other has it:", err == nil)
	lease.Release()
	// Output:
	// one server has it: true
	// the other is told so: true
	// it may be kept for longer: true
	// then the other has it: true
}
