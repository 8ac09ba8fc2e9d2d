package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// show prints a report, as one JSON document or as text. It answers errFound for one that is not all right.
func show[R interface{ OK() bool }](out io.Writer, asJSON bool, report R, text func(R) string) (err error) {
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(report)
	} else {
		_, err = fmt.Fprint(out, text(report))
	}
	if err == nil && !report.OK() {
		err = errFound
	}
	return err
}
