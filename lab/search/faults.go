package search

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"interlock/internal/pause"
	"interlock/internal/servers"
)

// frozen searches while every member of the database is stopped: a search that asked one would wait for longer than
// this takes.
func (l *lab) frozen(ctx context.Context) (err error) {
	offers, err := l.expect(ctx, l.busy())
	if err != nil {
		return err
	}
	members := append([]*servers.SQLServer{l.Cluster.Primary}, l.Cluster.Replicas...)
	for _, m := range members {
		if err := m.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.Signal(syscall.SIGCONT)) }()
	}
	limited, cancel := context.WithTimeout(ctx, frozenWindow)
	defer cancel()
	l.report.Frozen, err = rush(limited, l.Server, l.busy(), l.Searchers, offers, nil)
	if err == nil {
		l.tell("mysql_frozen", l.report.Frozen)
	}
	return err
}

// cacheKilled searches while the cache dies, is away, and comes back empty.
func (l *lab) cacheKilled(ctx context.Context) error {
	offers, err := l.expect(ctx, l.busy())
	if err != nil {
		return err
	}
	killed := &CacheKilled{}
	limited, cancel := context.WithTimeout(ctx, cacheDown+knownTimeout)
	defer cancel()
	var mu sync.Mutex
	var diedAt, backAt, firstUnknown, lastUnknown, known time.Time
	note := func(a answer) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case a.unknown > 0:
			if firstUnknown.IsZero() {
				firstUnknown = a.heardAt
			}
			if a.heardAt.After(lastUnknown) {
				lastUnknown = a.heardAt
			}
		case !backAt.IsZero() && a.askedAt.After(backAt) && known.IsZero():
			known = a.heardAt
			// A little longer: not known may come back.
			time.AfterFunc(warmUp, cancel)
		}
	}
	diedAt = time.Now()
	if err := l.Cluster.Cache.Kill(); err != nil {
		return err
	}
	begun := make(chan error, 1)
	go func() {
		pause.For(limited, cacheDown)
		err := l.Cluster.Cache.Start(ctx)
		mu.Lock()
		backAt = time.Now()
		mu.Unlock()
		begun <- err
	}()
	killed.Searches, err = rush(limited, l.Server, l.busy(), l.Searchers, offers, note)
	if err := errors.Join(err, <-begun); err != nil {
		return err
	}
	killed.DownSeconds = backAt.Sub(diedAt).Seconds()
	if !firstUnknown.IsZero() {
		killed.FirstUnknownMilliseconds = firstUnknown.Sub(diedAt).Seconds() * 1e3
	}
	if !known.IsZero() {
		killed.KnownAgainSeconds = max(known.Sub(backAt), lastUnknown.Sub(backAt)).Seconds()
	}
	l.report.CacheKilled = killed
	l.tell("cache_killed", killed.Searches)
	l.Log.Info("the cache", "down_seconds", killed.DownSeconds, "first_unknown_ms", killed.FirstUnknownMilliseconds,
		"known_again_seconds", killed.KnownAgainSeconds)
	return ctx.Err()
}
