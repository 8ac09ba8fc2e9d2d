package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"interlock/lab/cluster"
	"interlock/lab/fault"
)

type faultCommand struct {
	clusterFlags
	Name   string `arg:"" help:"A fault, \"overlap\" for up to three at once, \"all\", or \"23B\" for the demo."`
	Area   string `help:"For all: one area only, which takes 40 minutes at most: ${areas}." placeholder:"AREA"`
	JSON   bool   `name:"json" help:"Print one JSON document a line."`
	Seed   uint64 `default:"1" help:"Chooses victims, moments, and what people want."`
	Seeds  int    `default:"1" help:"For all: how many seeds, from 1 on."`
	Buyers int    `default:"0" help:"For one fault: how many buy, instead of as many as it has."`
}

const (
	// faultLimit is what one fault may take with its cluster.
	faultLimit = 5 * time.Minute
	// allLimit is what every fault there is may take for each seed, areaLimit what one area may take with three seeds.
	allLimit, areaLimit, areaSeeds = 40 * time.Minute, 40 * time.Minute, 3
	// everyFault is the name of all of them.
	everyFault = "all"
)

// errAreaOfOne says that an area was named, and one fault or the demo as well.
var errAreaOfOne = errors.New("--area goes with all")

// Run plays one fault, all of them or the demo, and prints what came of each.
func (c faultCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) (err error) {
	one, err := c.one()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit())
	defer cancel()
	binary, removeBinary, err := c.program(ctx, log, cluster.FaultTag)
	if err != nil {
		return err
	}
	stage := &fault.Stage{Log: log, Start: func(ctx context.Context, s fault.Shape) (*cluster.Cluster, error) {
		o := s.Options()
		o.Flavor, o.Binary, o.Log = c.flavor(), binary, log
		return cluster.Start(ctx, o)
	}}
	defer func() { err = errors.Join(err, stage.Close(), removeBinary()) }()
	ok := false
	switch c.Name {
	case everyFault:
		ok, err = fault.All(ctx, stage, c.Area, c.Seeds, func(r *fault.Result) error { return c.print(out, r) })
	case fault.Demo:
		ok, err = c.demo(ctx, stage, out)
	default:
		result := stage.Play(ctx, one, c.Seed)
		ok, err = result.OK, c.print(out, result)
	}
	if err == nil && !ok {
		err = errFound
	}
	return err
}

// one is the fault that is named, and zero for all and for the demo. The error is of a name that does not exist.
func (c faultCommand) one() (f fault.Fault, err error) {
	switch {
	case c.Name == everyFault:
		return f, fault.CheckArea(c.Area)
	case c.Area != "":
		return f, errAreaOfOne
	case c.Name == fault.Demo:
		return f, nil
	}
	if f, err = fault.Find(c.Name, c.Seed); err != nil {
		return f, err
	}
	if c.Buyers > 0 {
		f.Buyers = c.Buyers
	}
	return f, nil
}

// limit bounds the whole command.
func (c faultCommand) limit() time.Duration {
	seeds := max(c.Seeds, 1)
	switch {
	case c.Name != everyFault:
		return faultLimit
	case c.Area == "":
		return time.Duration(seeds) * allLimit
	default:
		return time.Duration((seeds+areaSeeds-1)/areaSeeds) * areaLimit
	}
}

// demo shows what happens without protection and then with it, step by step.
func (c faultCommand) demo(ctx context.Context, stage *fault.Stage, out io.Writer) (ok bool, err error) {
	for _, half := range []struct {
		heading string
		play    func(context.Context, *fault.Stage, fault.Say) (*fault.Result, error)
	}{{"Without protection", fault.DemoUnprotected}, {"With protection", fault.DemoProtected}} {
		step := 0
		say := func(format string, args ...any) {
			if c.JSON {
				return
			}
			if step++; step == 1 {
				fmt.Fprintf(out, "%s\n\n", half.heading)
			}
			fmt.Fprintf(out, "%d. %s\n", step, fmt.Sprintf(format, args...))
		}
		result, err := half.play(ctx, stage, say)
		if err != nil {
			return false, err
		}
		if c.JSON {
			err = c.print(out, result)
		} else {
			_, err = fmt.Fprintln(out)
		}
		if err != nil || !result.OK {
			return false, err
		}
	}
	return true, nil
}

func (c faultCommand) print(out io.Writer, result *fault.Result) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(result)
	}
	_, err := io.WriteString(out, result.Text())
	return err
}
