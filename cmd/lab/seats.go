package main

import (
	"context"
	"io"
	"log/slog"
	"os"

	"interlock/lab/seats"
)

type seatsCommand struct {
	JSON  bool   `name:"json" help:"Print one JSON document."`
	Seeds int    `default:"90" help:"How many service dates are sold; seed n makes the demand of the n-th."`
	SVG   string `name:"svg" help:"Also draw it." placeholder:"FILE" type:"path"`
}

// Run simulates, and prints what was sold.
func (c seatsCommand) Run(ctx context.Context, log *slog.Logger, out io.Writer) error {
	report, err := seats.Run(ctx, seats.Options{Seeds: c.Seeds, Log: log})
	if err != nil {
		return err
	}
	if c.SVG != "" {
		if err := draw(c.SVG, report); err != nil {
			return err
		}
	}
	return show(out, c.JSON, report, seats.Text)
}

// draw writes the picture to a file.
func draw(path string, report *seats.Report) error {
	picture, err := seats.Plot(report)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := picture.WriteTo(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
