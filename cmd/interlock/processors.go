package main

import (
	"os"
	"runtime"
)

// spareProcessors lets twice as many threads run Go code as there are processors. In a rush all of them have something
// to do, and Go looks at the network where a thread has nothing, else a hundred times a second: what the database says
// to the one goroutine that sells would wait behind thousands of requests. A thread to spare waits for the network in
// the kernel, which wakes it at once. What GOMAXPROCS says goes before it.
func spareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2 * runtime.GOMAXPROCS(0))
	}
}

// readers is how many requests are read at a time: half as many as there are threads, so that the others are to spare.
func readers() int { return max(1, runtime.GOMAXPROCS(0)/2) }
