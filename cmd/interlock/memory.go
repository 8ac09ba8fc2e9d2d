package main

import (
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// garbagePercent lets the heap grow to three times what is in use before it is collected. More would save little,
	// and cost in a rush: the server would touch memory for the first time, which is slow.
	garbagePercent = 200
	// memoryShare is the part of the memory of the machine or the container that the heap may take. Near it, the
	// collector works as hard as it must. The rest is for a database or a cache on the same machine.
	memoryShare = 0.5
)

// tradeMemoryForSpeed has garbage collected less often where there is memory. GOGC and GOMEMLIMIT override it.
func tradeMemoryForSpeed(log *slog.Logger) {
	limit, err := memlimit.Set(
		memlimit.WithRatio(memoryShare),
		memlimit.WithProvider(memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)),
	)
	if err != nil {
		// Without a limit, three times what is in use might be more memory than there is.
		log.Warn("how much memory there is cannot be told: garbage is collected as Go does by default", "error", err)
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	log.Debug("memory", "limit_bytes", limit)
}
