//! Devices over the network, by burn's remote backend: borrowing one, and lending this machine's.

use super::{Address, Chosen};
use crate::{Error, Result};
use burn::remote::{ConnectError, RemoteHost};
use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use burn::tensor::Device;
use std::net::TcpListener;

/// Connects to a device that `kiln serve` lends.
///
/// # Errors
/// When nothing answers there, the token is refused, or the two machines run different versions.
pub fn borrow(address: &Address) -> Result<Chosen> {
    let host = RemoteHost::websocket(&address.url).with_credential(&address.token);
    let device = Device::remote_options(&host).init().map_err(|error| refusal(&address.url, &error))?;
    Ok(Chosen { device, name: format!("the machine at {}", address.url), notice: None })
}

fn refusal(url: &str, error: &ConnectError) -> Error {
    let what_to_do = match error {
        ConnectError::Unauthorized => {
            format!("it refused the token: write remote:ws://TOKEN@HOST:PORT, or set {}", super::TOKEN)
        }
        ConnectError::IncompatibleProtocol { .. } => format!("{error}: run the same version of Kiln on both machines"),
        ConnectError::Unreachable { .. } => "nothing answers there: start kiln serve on that machine first".into(),
        _ => format!("{error}"),
    };
    Error::failed(format!("The device at {url} cannot be used: {what_to_do}."))
}

/// Lends a device to whoever comes with the token, until the program is stopped (Ctrl-C).
///
/// # Errors
/// When the token is empty, or the network gives out.
pub fn lend(device: &Device, listener: TcpListener, token: &str) -> Result<()> {
    let authorizer = TokenAuthorizer::new(token)
        .map_err(|_| Error::usage("An empty token opens the device to everyone; give another."))?;
    RemoteServer::new([device.clone()])
        .with_authorizer(authorizer)
        .serve(WebSocketTransport::from_listener(listener))
        .map_err(|error| Error::failed(format!("The device can no longer be lent: {error}.")))
}
