package ticketcode

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/boombuler/barcode/aztec"
)

const (
	// quietZone is the white margin in modules. The standard (ISO/IEC 24778) asks for none; on a dark screen some
	// scanners need one.
	quietZone = 2
	// errorCorrection is how many bits of error correction there are, in percent of the bits of data: a quarter of the
	// symbol, a little more than the 23 % that the standard recommends.
	errorCorrection = 33
	// MaxScale bounds the pixels of a module: the largest symbol then has 5 million.
	MaxScale = 16
)

// Image is the Aztec symbol of a code, a pixel a module, with a white margin. It takes what Check takes, and does not
// ask whether the code is good.
func Image(code string) (image.Image, error) { return draw(code, 1) }

// PNG is the same as a PNG file of scale² pixels a module, from 1 to MaxScale.
func PNG(code string, scale int) ([]byte, error) {
	if scale < 1 || scale > MaxScale {
		return nil, fmt.Errorf("a module has 1 to %d pixels a side, not %d", MaxScale, scale)
	}
	symbol, err := draw(code, scale)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, symbol); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func draw(code string, scale int) (*image.Paletted, error) {
	text, err := canonical(code)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	symbol, err := aztec.Encode([]byte(text), errorCorrection, aztec.DEFAULT_LAYERS)
	if err != nil {
		return nil, err
	}
	size := symbol.Bounds().Dx()
	side := (size + 2*quietZone) * scale
	drawn := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range size * scale {
		for x := range size * scale {
			if r, _, _, _ := symbol.At(x/scale, y/scale).RGBA(); r == 0 {
				drawn.SetColorIndex(x+quietZone*scale, y+quietZone*scale, 1)
			}
		}
	}
	return drawn, nil
}
