package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"interlock/services/rail"
)

type tokenCommand struct {
	Role    []rail.Role   `required:"" enum:"ADMIN,PASSENGER,INSPECTOR" help:"What the token allows: ADMIN, PASSENGER or INSPECTOR, or several."`
	Subject string        `required:"" help:"Whose token it is."`
	TTL     time.Duration `default:"24h" help:"How long it is good for."`
}

// Run prints a development token, alone on standard output, where a server with these settings would take it.
func (c tokenCommand) Run(ctx context.Context, settings *Settings, out io.Writer) error {
	server := *settings
	server.Payments = "none" // How the server takes payments does not matter here.
	if err := server.checkExposure(ctx); err != nil {
		return err
	}
	tokens, err := developmentTokens(settings)
	if err != nil {
		return err
	}
	token, err := tokens.Issue(c.Subject, c.Role, c.TTL)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, token)
	return err
}
