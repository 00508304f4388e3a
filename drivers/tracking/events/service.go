// Package events is the interface of an arena's player tracking, gRPC package events: one call, StreamEvents, whose
// answer never ends. The .proto file beside this one is the contract; messages are generated from it by
// tools/protogen, the service's description is written out here, which saves a second generator.
package events

import (
	"context"

	"google.golang.org/grpc"
)

// StreamEvents is the full name of the service's one method.
const StreamEvents = "/events.ArenaEventService/StreamEvents"

// Server is what a tracking system implements.
type Server interface {
	// StreamEvents sends positions until it returns, which ends the call with its error. The stream's context ends with the client.
	StreamEvents(*Empty, grpc.ServerStreamingServer[PlayerPosition]) error
}

// Register makes s serve ArenaEventService.
func Register(r grpc.ServiceRegistrar, s Server) {
	r.RegisterService(&grpc.ServiceDesc{
		ServiceName: "events.ArenaEventService",
		HandlerType: (*Server)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "StreamEvents", ServerStreams: true, Handler: func(srv any, stream grpc.ServerStream) error {
			in := new(Empty)
			if err := stream.RecvMsg(in); err != nil {
				return err
			}
			return srv.(Server).StreamEvents(in, &grpc.GenericServerStream[Empty, PlayerPosition]{ServerStream: stream})
		}}},
		Metadata: "events.proto",
	}, s)
}

// Stream calls StreamEvents. The stream ends with ctx.
func Stream(ctx context.Context, c grpc.ClientConnInterface, o ...grpc.CallOption) (grpc.ServerStreamingClient[PlayerPosition], error) {
	s, err := c.NewStream(ctx, &grpc.StreamDesc{StreamName: "StreamEvents", ServerStreams: true}, StreamEvents, o...)
	if err != nil {
		return nil, err
	}
	x := &grpc.GenericClientStream[Empty, PlayerPosition]{ClientStream: s}
	if err := x.ClientStream.SendMsg(&Empty{}); err != nil {
		return nil, err
	}
	if err := x.ClientStream.CloseSend(); err != nil {
		return nil, err
	}
	return x, nil
}
