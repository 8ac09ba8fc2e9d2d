package fault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"interlock/cmd/lab/cluster"
)

// Stage lends clusters to plays, and keeps one from play to play while its shape fits and all is well with it. Close it.
type Stage struct {
	// Start starts a cluster of a shape.
	Start func(ctx context.Context, shape Shape) (*cluster.Cluster, error)
	Log   *slog.Logger

	cluster *cluster.Cluster
	shape   Shape
	played  int
}

// Play plays one fault.
func (s *Stage) Play(ctx context.Context, f Fault, seed uint64) *Line {
	if f.Missing != "" {
		return Play(ctx, nil, f, seed, 0, s.Log)
	}
	if err := s.prepare(ctx, f.Shape); err != nil {
		return &Line{Name: f.Name, Area: f.Area, Seed: seed, Problem: fmt.Sprintf("starting a cluster: %v", err)}
	}
	s.played++
	line := Play(ctx, s.cluster, f, seed, s.played, s.Log)
	if !line.OK || f.Spoils {
		// What it has left behind must not be the next one's trouble.
		if err := s.Close(); err != nil {
			s.Log.Error("a cluster did not end in order", "error", err)
		}
	}
	return line
}

func (s *Stage) prepare(ctx context.Context, shape Shape) (err error) {
	if s.cluster != nil && s.shape == shape {
		return nil
	}
	if err := s.Close(); err != nil {
		return err
	}
	s.cluster, err = s.Start(ctx, shape)
	s.shape = shape
	return err
}

// Close ends the cluster that is there.
func (s *Stage) Close() error {
	if s.cluster == nil {
		return nil
	}
	err := s.cluster.Close()
	s.cluster = nil
	return err
}

// All plays the whole table and one overlap for every seed from 1 on, and tells each line as it comes. ok is false when
// anything was wrong or a fault did not fire. What is missing is told, and not counted.
func All(ctx context.Context, s *Stage, seeds int, tell func(*Line) error) (ok bool, err error) {
	ok = true
	for seed := uint64(1); seed <= uint64(seeds); seed++ {
		faults := append(Table(), overlapping(seed))
		// Those of one shape one after the other: a cluster takes longer to start than most faults do.
		slices.SortStableFunc(faults, func(a, b Fault) int { return rank(a.Shape) - rank(b.Shape) })
		for _, f := range faults {
			if f.Missing != "" && seed > 1 {
				continue // told already
			}
			line := s.Play(ctx, f, seed)
			if err := errors.Join(tell(line), ctx.Err()); err != nil {
				return false, err
			}
			ok = ok && (line.OK || line.Skipped != "")
		}
	}
	return ok, nil
}

// rank puts the ordinary shape first, and what is missing before all.
func rank(s Shape) int {
	n := s.Servers + 10*s.LockNodes + 100*int(s.Hold.Seconds()) + 10_000*s.Guards
	if s.LocksApart {
		n += 1_000
	}
	if s.Linked {
		n += 100_000
	}
	return n
}
