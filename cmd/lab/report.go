package main

import (
	"fmt"
	"os"
	"path/filepath"

	"interlock/lab/report"
)

// The longer helps of the command's flags.
const (
	documentsHelp = "What lab sell --json printed, and of lab seats, search, watch and attack what there is, in any " +
		"order; lab attack alone writes its own page."
	notesHelp = "What a person says of the figures; benchmarks/notes.md in the folder where not given."
)

type reportCommand struct {
	Documents []string `arg:"" help:"${documents}" placeholder:"SELL.json" type:"existingfile"`
	Out       string   `default:"docs" help:"The folder of documents." placeholder:"FOLDER" type:"path"`
	Notes     string   `help:"${notes}" placeholder:"FILE" type:"path"`
}

// Run writes the page and its pictures.
func (c reportCommand) Run() error {
	var in report.Input
	for _, path := range c.Documents {
		document, err := os.ReadFile(path)
		if err == nil {
			err = in.Add(document)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	notes, err := c.notes()
	if err != nil {
		return err
	}
	in.Notes = notes
	files, err := report.Files(in)
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(c.Out, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// notes are read where they are named, or where they are expected and there.
func (c reportCommand) notes() (string, error) {
	path := c.Notes
	if path == "" {
		path = filepath.Join(c.Out, "benchmarks", "notes.md")
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return "", nil
		}
	}
	b, err := os.ReadFile(path)
	return string(b), err
}
