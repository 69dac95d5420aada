// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title The token in which participants are paid and stakes are held
/// @notice The whole supply is made at deployment; nobody can make more, so rewards come out of a funded treasury.
contract RewardToken is ERC20 {
    /// @param admin Gets the whole supply.
    /// @param initialSupplyWei In the smallest unit; 18 decimals.
    constructor(address admin, uint256 initialSupplyWei) ERC20("T-FedRS Reward", "TFR") {
        _mint(admin, initialSupplyWei);
    }
}
