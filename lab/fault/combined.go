package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"interlock/internal/pause"
)

// combined is several faults at once. Each begins at a random moment after the one before. The last one heals first: a
// server that is started again waits for the primary and the cache. All of them must have taken place.
func combined(faults []Fault) Fault {
	f := Fault{Shape: ordinary}
	var names []string
	for _, one := range faults {
		names = append(names, one.Name)
		f.Lasts, f.Late, f.Spoils = max(f.Lasts, one.Lasts), max(f.Late, one.Late), f.Spoils || one.Spoils
		f.Patience, f.Slow, f.Subscribers = max(f.Patience, one.Patience), max(f.Slow, one.Slow),
			max(f.Subscribers, one.Subscribers)
		if one.RedisLate > f.RedisLate {
			f.RedisLate, f.RedisWhy = one.RedisLate, one.RedisWhy
		}
	}
	f.Area = strings.Join(names, "+")
	f.Inject = func(ctx context.Context, s *Scene) (Heal, error) {
		var heals []Heal
		heal := func(ctx context.Context) (Injected, error) { return healAll(ctx, names, heals) }
		for _, one := range faults {
			next, err := one.Inject(ctx, s)
			if err != nil {
				_, healing := heal(context.WithoutCancel(ctx))
				return nil, errors.Join(fmt.Errorf("%s: %w", one.Name, err), healing)
			}
			heals = append(heals, next)
			pause.For(ctx, time.Duration(s.Random.Int64N(int64(maxStagger))))
		}
		return heal, nil
	}
	return f
}

// healed lets a look at a fault's proof add to it once the fault has been healed.
func (f Fault) healed(look func(s *Scene, proof *Injected)) Fault {
	inject := f.Inject
	f.Inject = func(ctx context.Context, s *Scene) (Heal, error) {
		heal, err := inject(ctx, s)
		if err != nil {
			return heal, err
		}
		return func(ctx context.Context) (Injected, error) {
			proof, err := heal(ctx)
			look(s, &proof)
			return proof, err
		}, nil
	}
	return f
}

// maxStagger keeps overlapping faults overlapping: it is less than any of them lasts.
const maxStagger = time.Second

func healAll(ctx context.Context, names []string, heals []Heal) (Injected, error) {
	whole := Injected{Fired: true, Facts: map[string]any{}}
	var errs []error
	for i, heal := range slices.Backward(heals) {
		one, err := heal(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", names[i], err))
		}
		whole.Fired = whole.Fired && one.Fired
		whole.Facts[names[i]] = one
		whole.Broken, whole.Unsafe = append(whole.Broken, one.Broken...), append(whole.Unsafe, one.Unsafe...)
	}
	return whole, errors.Join(errs...)
}
