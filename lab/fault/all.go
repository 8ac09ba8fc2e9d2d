package fault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"interlock/lab/cluster"
)

// Stage lends clusters to plays. It keeps one from play to play while its shape fits and all is well with it. Close it.
type Stage struct {
	// Start starts a cluster of a shape.
	Start func(ctx context.Context, shape Shape) (*cluster.Cluster, error)
	Log   *slog.Logger

	cluster *cluster.Cluster
	shape   Shape
	played  int
}

// Play plays one fault.
func (s *Stage) Play(ctx context.Context, f Fault, seed uint64) *Result {
	if err := s.prepare(ctx, f.Shape); err != nil {
		return &Result{Name: f.Name, Area: f.Area, Seed: seed, Problem: fmt.Sprintf("starting a cluster: %v", err)}
	}
	s.played++
	result := Play(ctx, s.cluster, f, seed, s.played, s.Log)
	if !result.OK || f.Spoils {
		// What it has left behind must not be the next one's trouble.
		if err := s.Close(); err != nil {
			s.Log.Error("a cluster did not end in order", "error", err)
		}
	}
	return result
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

// overlapsPerSeed is how many overlaps are played for each seed. Each has a seed of its own, and these are overlapSeeds
// apart: an even number, so that an odd seed has odd ones, which delete a dead primary's data.
const overlapsPerSeed, overlapSeeds = 2, 1000

// Areas are the parts that the whole can be played in: the areas of the table, in its order, and the overlaps.
func Areas() []string {
	var names []string
	for _, f := range Table() {
		if !slices.Contains(names, f.Area) {
			names = append(names, f.Area)
		}
	}
	return append(names, Overlap)
}

// ErrUnknownArea says that an area is not one of Areas.
var ErrUnknownArea = errors.New("there is no such area")

// CheckArea is nil for one of Areas and for "", which is all of them. Else the error lists them.
func CheckArea(area string) error {
	if area == "" || slices.Contains(Areas(), area) {
		return nil
	}
	return fmt.Errorf("%w: %s; there are %s", ErrUnknownArea, area, strings.Join(Areas(), ", "))
}

// part is one play of many.
type part struct {
	fault Fault
	seed  uint64
}

// partsOf are the plays of an area for a seed; "" is every area.
func partsOf(area string, seed uint64) (parts []part) {
	for _, f := range Table() {
		if area == "" || area == f.Area {
			parts = append(parts, part{f, seed})
		}
	}
	if area == "" || area == Overlap {
		for n := range uint64(overlapsPerSeed) {
			own := seed + n*overlapSeeds
			parts = append(parts, part{overlapping(own), own})
		}
	}
	byShape(parts)
	return parts
}

// All plays an area, or with "" every area, for each seed from 1 on, and tells each result as it comes. ok is false
// when anything was wrong or a fault did not fire. It fails with ErrUnknownArea before it has played anything.
func All(ctx context.Context, s *Stage, area string, seeds int, tell func(*Result) error) (ok bool, err error) {
	if err := CheckArea(area); err != nil {
		return false, err
	}
	ok = true
	for seed := uint64(1); seed <= uint64(seeds); seed++ {
		for _, p := range partsOf(area, seed) {
			result := s.Play(ctx, p.fault, p.seed)
			if err := errors.Join(tell(result), ctx.Err()); err != nil {
				return false, err
			}
			ok = ok && result.OK
		}
	}
	return ok, nil
}

// byShape puts plays of one shape one after the other: to start a cluster takes longer than most faults do.
func byShape(parts []part) {
	var shapes []Shape
	for _, p := range parts {
		if !slices.Contains(shapes, p.fault.Shape) {
			shapes = append(shapes, p.fault.Shape)
		}
	}
	slices.SortStableFunc(parts, func(a, b part) int {
		return slices.Index(shapes, a.fault.Shape) - slices.Index(shapes, b.fault.Shape)
	})
}
