package main

import (
	"context"
	"log/slog"
)

type sellCommand struct{}

func (c sellCommand) Run(ctx context.Context, log *slog.Logger) error { return nil }
