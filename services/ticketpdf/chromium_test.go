package ticketpdf_test

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"interlock/services/ticketpdf"
)

// TestPrint_InChromium looks at a ticket in a browser: the name has the shape that another program draws it in, and the
// code is read back by another decoder.
func TestPrint_InChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a browser")
	}
	chromium := tool(t, "chromium", "chromium")
	p := printer(t)
	one := page(t)
	one.Passenger = "欧阳娜娜"
	printed, err := p.Print("zh", []ticketpdf.Page{one})
	require.NoError(t, err)

	// A browser does not tell when it has drawn a PDF: the page loads until some time has passed, more each time.
	for wait := 2 * time.Second; ; wait *= 2 {
		picture := inChromium(t, chromium, printed, wait)
		ticket, found := findTicket(picture)
		if !found && wait < 30*time.Second {
			continue
		}
		keep(t, "chromium.png", picture)
		require.True(t, found, "the ticket is not in the picture")
		name := part(picture, ticket, 10, 116.5, 120, 126.5)
		right, wrong := alike(name, drawn(t, "欧阳娜娜")), alike(name, drawn(t, "司马相如"))
		t.Logf("the name is like its own shape by %.2f, and like another's by %.2f", right, wrong)
		require.Greater(t, right, 0.6) // It is printed bold.
		require.Less(t, wrong, 0.4)
		require.Equal(t, one.CodeText, decode(t, part(picture, ticket, 128, 26, 206, 97)))
		return
	}
}

// inChromium is the picture that a browser makes of a PDF that has had some time.
func inChromium(t *testing.T, chromium string, printed []byte, wait time.Duration) image.Image {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ticket.pdf":
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = w.Write(printed)
		case "/wait.png":
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
			}
		default:
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<!doctype html><body style="margin:0"><iframe src="/ticket.pdf#toolbar=0&navpanes=0&view=FitH"
				style="border:0;width:100vw;height:100vh"></iframe><img src="/wait.png" style="position:absolute">`)
		}
	}))
	defer server.Close()
	folder := t.TempDir()
	file := filepath.Join(folder, "ticket.png")
	// No sandbox: tests run as root in containers, where Chromium's has no user namespace to live in.
	out, err := exec.CommandContext(t.Context(), chromium, "--headless=new", "--no-sandbox", "--disable-gpu",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--hide-scrollbars",
		"--user-data-dir="+filepath.Join(folder, "profile"), "--window-size=1400,1150", "--screenshot="+file,
		server.URL).CombinedOutput()
	require.NoError(t, err, "%s", out)
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	picture, err := png.Decode(f)
	require.NoError(t, err)
	return picture
}

// findTicket is where a ticket is in a picture: its band at the top is blue, and as wide as the ticket.
func findTicket(picture image.Image) (ticket image.Rectangle, found bool) {
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if color.RGBAModel.Convert(picture.At(x, y)) == (color.RGBA{11, 58, 103, 255}) {
				ticket = ticket.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	ticket.Max.Y = ticket.Min.Y + ticket.Dx()*148/210
	return ticket, ticket.Dx() > b.Dx()/2 && ticket.In(b)
}

// part is a part of a ticket's picture: from a point to a point, in millimetres.
func part(picture image.Image, ticket image.Rectangle, left, top, right, bottom float64) image.Image {
	scale := float64(ticket.Dx()) / 210
	of := func(mm float64) int { return int(math.Round(mm * scale)) }
	return picture.(interface {
		SubImage(image.Rectangle) image.Image
	}).SubImage(image.Rect(of(left), of(top), of(right), of(bottom)).Add(ticket.Min))
}

// drawn is a text in the font that is looked for first, drawn by another program than the PDF's.
func drawn(t *testing.T, text string) image.Image {
	t.Helper()
	b, err := os.ReadFile(droid)
	require.NoError(t, err)
	parsed, err := opentype.Parse(b)
	require.NoError(t, err)
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: 60, DPI: 72})
	require.NoError(t, err)
	picture := image.NewGray(image.Rect(0, 0, 80*len([]rune(text)), 100))
	draw.Draw(picture, picture.Bounds(), image.White, image.Point{}, draw.Src)
	(&font.Drawer{Dst: picture, Src: image.Black, Face: face, Dot: fixed.P(10, 75)}).DrawString(text)
	return picture
}

// alike is how much two texts are of one shape, whatever their size: 1 is the same, 0 has nothing to do with it.
func alike(one, other image.Image) float64 {
	a, b := inked(one), inked(other)
	var meanA, meanB float64
	for i := range a {
		meanA += float64(a[i]) / float64(len(a))
		meanB += float64(b[i]) / float64(len(b))
	}
	var both, ofA, ofB float64
	for i := range a {
		x, y := float64(a[i])-meanA, float64(b[i])-meanB
		both, ofA, ofB = both+x*y, ofA+x*x, ofB+y*y
	}
	return both / math.Sqrt(ofA*ofB)
}

// inked is the part of a picture that has ink, in 160 by 40 points.
func inked(picture image.Image) []uint8 {
	var ink image.Rectangle
	b := picture.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if r, _, _, _ := picture.At(x, y).RGBA(); r < 0x8000 {
				ink = ink.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	small := image.NewGray(image.Rect(0, 0, 160, 40))
	if !ink.Empty() {
		xdraw.CatmullRom.Scale(small, small.Bounds(), picture, ink, draw.Src, nil)
	}
	return small.Pix
}
