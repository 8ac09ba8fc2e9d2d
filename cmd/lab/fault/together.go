package fault

import (
	"context"
	"errors"
	"strings"
	"time"
)

// together is several faults at once: each begins at a random moment after the one before, and they heal in that order.
func together(faults []Fault) Fault {
	names := make([]string, len(faults))
	for i, f := range faults {
		names[i] = f.Name
	}
	return Fault{
		Name: Overlap, Area: strings.Join(names, "+"), Shape: ordinary, Lasts: longest(faults),
		Inject: func(ctx context.Context, s *Scene) (Heal, error) {
			var heals []Heal
			heal := func(ctx context.Context) (Injected, error) { return healAll(ctx, names, heals) }
			for _, f := range faults {
				one, err := f.Inject(ctx, s)
				if err != nil {
					_, healing := heal(context.WithoutCancel(ctx))
					return nil, errors.Join(err, healing)
				}
				heals = append(heals, one)
				wait(ctx, time.Duration(s.Random.Int64N(int64(maxStagger))))
			}
			return heal, nil
		},
	}
}

// maxStagger keeps overlapping faults overlapping: it is less than any of them lasts.
const maxStagger = time.Second

func healAll(ctx context.Context, names []string, heals []Heal) (Injected, error) {
	whole := Injected{Fired: true, Facts: map[string]any{}}
	var errs []error
	for i, heal := range heals {
		one, err := heal(ctx)
		errs = append(errs, err)
		whole.Fired = whole.Fired && one.Fired
		whole.Facts[names[i]] = one.Facts
		whole.Broken = append(whole.Broken, one.Broken...)
	}
	return whole, errors.Join(errs...)
}
