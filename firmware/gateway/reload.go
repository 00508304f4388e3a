package gateway

import "context"
import "github.com/courtside-edge/courtside/firmware/diag"

// Reload x
func (g *Gateway) Reload(ctx context.Context) (diag.Reload, error) { return diag.Reload{}, errNoReload }

// Doctor x
func (g *Gateway) Doctor(ctx context.Context) []diag.Finding { return nil }
