package main

import (
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// garbagePercent lets the heap grow to three times what is in use before it is collected. More would save little,
	// and have the server touch memory that it never had just when everybody comes, which is dear.
	garbagePercent = 200
	// memoryShare is the part of the machine's or the container's memory from which on the collector works as hard as
	// it must: the rest is for a database or a cache beside it.
	memoryShare = 0.5
)

// tradeMemoryForSpeed has garbage collected less often, as far as there is memory. What GOGC and GOMEMLIMIT say goes
// before it.
func tradeMemoryForSpeed(log *slog.Logger) {
	limit, err := memlimit.Set(
		memlimit.WithRatio(memoryShare),
		memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)),
	)
	if err != nil {
		// Without a limit, a heap three times its size might be more than there is.
		log.Warn("how much memory there is cannot be told: garbage is collected as Go does by default", "error", err)
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	log.Debug("memory", "limit_bytes", limit)
}
