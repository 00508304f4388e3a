package diag

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// exportTrailer is the HTTP trailer that says, behind an export, what it holds.
const exportTrailer = "Courtside-Export"

// lazy sets the answer's head at the first byte, so that an error before it can still be told.
type lazy struct {
	w     http.ResponseWriter
	begun bool
}

func (l *lazy) Write(b []byte) (int, error) {
	if !l.begun && len(b) > 0 {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/octet-stream")
		l.w.Header().Set("Trailer", exportTrailer)
	}
	if !l.begun {
		return 0, nil
	}
	return l.w.Write(b)
}

// export streams the spool. One that fails half-way is cut off, which the asker sees.
func export(w http.ResponseWriter, r *http.Request, g Gateway) {
	out := &lazy{w: w}
	sum, err := g.Export(r.Context(), out)
	if err != nil && !out.begun {
		answer(w, nil, err)
		return
	}
	text, failed := json.Marshal(sum)
	if err != nil || failed != nil {
		panic(http.ErrAbortHandler) // the only way to say that the answer is not whole
	}
	w.Header().Set(exportTrailer, string(text))
}

// Export asks for what the spool holds and writes it to w. After an error what was written is not whole.
func (c *Client) Export(ctx context.Context, w io.Writer) (out Export, err error) {
	resp, err := c.do(ctx, http.MethodGet, "/spool/export")
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the gateway broke off; gwctl logs says why")
		}
		return out, fmt.Errorf("exporting the spool: %w", err)
	}
	if err := json.Unmarshal([]byte(resp.Trailer.Get(exportTrailer)), &out); err != nil {
		return out, fmt.Errorf("exporting the spool: the gateway does not say whether that was all: %w", err)
	}
	return out, nil
}
