//! A tonic server that answers every screening with one constant: what gRPC alone costs. Shared by
//! the bench, which is the server with tonic's defaults, and by the tuned one's own program.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;

use lazaretto::grpc::v1;
use lazaretto::grpc::v1::screening_service_server::{ScreeningService, ScreeningServiceServer};
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

use crate::secured;

/// The argument that makes a bench binary the constant server; the folder of the answers follows.
pub const ARGUMENT: &str = "--constant-server";

/// The files of the three answers, as encoded messages.
pub const UNARY: &str = "unary.bin";
pub const BATCH: &str = "batch.bin";
pub const STREAM: &str = "stream.bin";

/// The folder of the answers where this process was started as a constant server.
pub fn requested() -> Option<std::path::PathBuf> {
    let mut arguments = std::env::args_os().skip_while(|argument| argument != ARGUMENT);
    arguments.nth(1).map(Into::into)
}

/// Serves the answers in `folder` until killed; says on standard output where.
pub async fn serve(folder: &Path) {
    let read = |name: &str| std::fs::read(folder.join(name)).expect("the bench wrote it");
    let constant = Constant {
        unary: Message::decode(&*read(UNARY)).expect("the bench encoded it"),
        batch: Message::decode(&*read(BATCH)).expect("the bench encoded it"),
        stream: Message::decode(&*read(STREAM)).expect("the bench encoded it"),
    };
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let listener = TcpListener::bind(any).await.expect("a loopback port is free");
    let bound = listener.local_addr().expect("it is bound");
    let tls = secured::of_constant(folder);
    println!("{}://{bound}", if tls.is_some() { "https" } else { "http" });
    std::io::stdout().flush().expect("the bench reads it");
    let connections = TcpListenerStream::new(listener).map(|accepted| {
        accepted.and_then(|connection| {
            // As tonic does with connections of its own, and as Lazaretto does.
            connection.set_nodelay(true)?;
            Ok(connection)
        })
    });
    let service = ScreeningServiceServer::new(constant).max_encoding_message_size(64 << 20);
    let mut server = Server::builder();
    if let Some(tls) = tls {
        server = server.tls_config(tls).expect("the bench made the certificate");
    }
    let served = server.add_service(service).serve_with_incoming(connections).await;
    served.expect("it serves until killed");
}

struct Constant {
    unary: v1::ScreenAddressResponse,
    batch: v1::BatchScreenAddressesResponse,
    stream: v1::StreamScreenAddressesResponse,
}

type Answers =
    Pin<Box<dyn Stream<Item = Result<v1::StreamScreenAddressesResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ScreeningService for Constant {
    async fn screen_address(
        &self,
        _: Request<v1::ScreenAddressRequest>,
    ) -> Result<Response<v1::ScreenAddressResponse>, Status> {
        Ok(Response::new(self.unary.clone()))
    }

    async fn batch_screen_addresses(
        &self,
        _: Request<v1::BatchScreenAddressesRequest>,
    ) -> Result<Response<v1::BatchScreenAddressesResponse>, Status> {
        Ok(Response::new(self.batch.clone()))
    }

    async fn trace_exposure(
        &self,
        _: Request<v1::TraceExposureRequest>,
    ) -> Result<Response<v1::TraceExposureResponse>, Status> {
        Err(Status::unimplemented("the bench does not trace"))
    }

    async fn screen_payment(
        &self,
        _: Request<v1::ScreenPaymentRequest>,
    ) -> Result<Response<v1::ScreenPaymentResponse>, Status> {
        Err(Status::unimplemented("the bench screens no payment"))
    }

    async fn list_hubs(
        &self,
        _: Request<v1::ListHubsRequest>,
    ) -> Result<Response<v1::ListHubsResponse>, Status> {
        Err(Status::unimplemented("the bench lists no hubs"))
    }

    async fn list_cluster(
        &self,
        _: Request<v1::ListClusterRequest>,
    ) -> Result<Response<v1::ListClusterResponse>, Status> {
        Err(Status::unimplemented("the bench lists no cluster"))
    }

    type StreamScreenAddressesStream = Answers;

    async fn stream_screen_addresses(
        &self,
        questions: Request<Streaming<v1::StreamScreenAddressesRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let answer = self.stream.clone();
        let answers = questions.into_inner().map(move |question| {
            question?;
            Ok(answer.clone())
        });
        Ok(Response::new(Box::pin(answers)))
    }
}
