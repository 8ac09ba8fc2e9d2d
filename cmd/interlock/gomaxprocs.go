package main

import (
	"os"
	"runtime"
)

// spareProcessors lets twice as many threads run Go code as there are processors. GOMAXPROCS overrides it. Go looks at
// the network when a thread has nothing to do, and otherwise only a hundred times a second. In a rush no thread is
// idle, so the database's answers to the goroutine that sells would wait behind thousands of requests. A spare thread
// waits for the network in the kernel, which wakes it at once.
func spareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
}

// readers is how many requests are read at a time: half as many as threads, so that the others are spare.
func readers() int { return max(1, runtime.GOMAXPROCS(0)/2) }
